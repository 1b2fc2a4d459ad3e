// What node and libuv ask of a kernel; prints the same in every run.
import { spawn, fork, execFile, execFileSync, spawnSync } from 'node:child_process';
import cluster from 'node:cluster';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import events from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import zlib from 'node:zlib';

const file = new URL(import.meta.url).pathname;

async function files() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'node-'));
  await Promise.all(Array.from({ length: 200 }, (_, i) => fs.promises.writeFile(path.join(directory, `f${i}`), `text ${i}`)));
  const texts = await Promise.all(fs.readdirSync(directory).map((name) => fs.promises.readFile(path.join(directory, name), 'utf8')));
  console.log('files', texts.length, texts.join('').length);
  const watcher = fs.watch(directory);
  const noticed = events.once(watcher, 'change');
  fs.writeFileSync(path.join(directory, 'new'), 'x');
  console.log('watched', await noticed);
  watcher.close();
  fs.writeFileSync(path.join(directory, 'big'), Buffer.alloc(5_000_000, 7));
  await pipeline(fs.createReadStream(path.join(directory, 'big')), zlib.createGzip(), fs.createWriteStream(path.join(directory, 'gz')));
  console.log('unzipped', zlib.gunzipSync(fs.readFileSync(path.join(directory, 'gz'))).length);
  fs.copyFileSync(path.join(directory, 'big'), path.join(directory, 'copy'));
  fs.symlinkSync('big', path.join(directory, 'link'));
  console.log(fs.realpathSync(path.join(directory, 'link')) === path.join(directory, 'big'), fs.statSync(path.join(directory, 'copy')).size);
  try { fs.readFileSync('/no/such'); } catch (error) { console.log(error.code, error.syscall); }
  fs.rmSync(directory, { recursive: true });
  console.log(fs.existsSync(directory));
}

async function children() {
  console.log(JSON.stringify(execFileSync('sh', ['-c', 'echo $0 $1', 'a', 'b c'], { encoding: 'utf8' })));
  const result = spawnSync('sh', ['-c', 'cat; echo error >&2; kill -TERM $$'], { input: 'input', encoding: 'utf8' });
  console.log(result.stdout, result.stderr, result.status, result.signal);
  console.log(spawnSync('/no/such').error.code, spawnSync('sleep', ['20'], { timeout: 50 }).error.code);
  const outputs = await Promise.all(Array.from({ length: 20 }, (_, i) => promisify(execFile)('echo', [`${i}`])));
  console.log(outputs.map((output) => output.stdout.trim()).join());
  const shell = spawn('sh', ['-c', 'read line; echo got $line; exit 9'], { stdio: ['pipe', 'pipe', 'inherit'] });
  shell.stdin.end('a line\n');
  const chunks = [];
  shell.stdout.on('data', (chunk) => chunks.push(chunk));
  console.log(await events.once(shell, 'close'), Buffer.concat(chunks).toString());
  const child = fork(file, ['child']);
  child.send({ question: 6 });
  console.log(await Promise.all([events.once(child, 'message').then((values) => values[0]), events.once(child, 'exit')]));
}

async function workers() {
  const shared = new SharedArrayBuffer(4);
  const all = Array.from({ length: 8 }, (_, i) => new Worker(file, { workerData: { shared, i } }));
  const answers = await Promise.all(all.map(async (worker) => {
    const [[answer]] = await Promise.all([events.once(worker, 'message'), events.once(worker, 'exit')]);
    return answer;
  }));
  console.log('workers', answers.join(), Atomics.load(new Int32Array(shared), 0));
  const endless = new Worker('while (true);', { eval: true });
  await events.once(endless, 'online');
  console.log('terminated', await endless.terminate());
}

async function network() {
  const server = http.createServer((request, response) => {
    if (request.url === '/big') return fs.createReadStream(file).pipe(response);
    request.pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await events.once(server, 'listening');
  const base = `http://127.0.0.1:${server.address().port}`;
  const bodies = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const response = await fetch(base + '/echo', { method: 'POST', body: `${i} `.repeat(5000) });
    return (await response.text()).length;
  }));
  console.log('echoes', bodies.reduce((a, b) => a + b));
  console.log('file', (await (await fetch(base + '/big')).text()).length === fs.statSync(file).size);
  server.closeAllConnections();
  server.close();
  await fetch(base).catch((error) => console.log('closed', error.cause !== undefined));

  const unix = net.createServer((socket) => socket.pipe(socket)).listen('node.socket');
  await events.once(unix, 'listening');
  const socket = net.connect('node.socket');
  socket.end('over unix');
  console.log((await events.once(socket, 'data'))[0].toString(), unix.address());
  unix.close();
  const one = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await events.once(one, 'listening');
  one.send('packet', one.address().port, '127.0.0.1');
  console.log((await events.once(one, 'message'))[0].toString());
  one.close();
  console.log((await promisify((await import('node:dns')).lookup)('localhost', { family: 4 })).address);
}

async function rest() {
  console.log(os.platform(), os.cpus().length > 0, os.totalmem() > os.freemem(), os.userInfo().uid === process.getuid());
  console.log(process.memoryUsage().rss > 1_000_000, os.networkInterfaces().lo[0].address, process.title.length > 0);
  const hashes = await Promise.all(Array.from({ length: 8 }, () => promisify(crypto.pbkdf2)('a', 'b', 20000, 32, 'sha256')));
  console.log(new Set(hashes.map((hash) => hash.toString('hex'))).size, crypto.randomBytes(16).length);
  process.on('SIGUSR2', () => console.log('signal'));
  process.kill(process.pid, 'SIGUSR2');
  await delay(50);
  const start = process.hrtime.bigint();
  await delay(30);
  console.log('slept', process.hrtime.bigint() - start >= 29_000_000n);
  const blocks = [];
  for (let i = 0; i < 300; i++) { blocks.push(new Array(50000).fill(i)); if (blocks.length > 20) blocks.shift(); }
  console.log('collected', blocks.length);
  const { instance } = await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0,
    7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]));
  console.log('wasm', instance.exports.add(40, 2));
}

async function clustered() {
  cluster.setupPrimary({ exec: file, args: ['clustered'] });
  const all = [cluster.fork(), cluster.fork(), cluster.fork()];
  const [[{ port }]] = await Promise.all(all.map((worker) => events.once(worker, 'message')));
  let good = 0;
  for (let i = 0; i < 30; i++) good += (await (await fetch(`http://127.0.0.1:${port}/`)).text()) === 'worker';
  console.log('cluster', good);
  const ends = all.map((worker) => events.once(worker, 'exit'));
  for (const worker of all) worker.kill();
  console.log((await Promise.all(ends)).join(' '));
}

if (!isMainThread) {
  const numbers = new Int32Array(workerData.shared);
  for (let i = 0; i < 10000; i++) Atomics.add(numbers, 0, 1);
  parentPort.postMessage(workerData.i * workerData.i);
} else if (process.argv[2] === 'child') {
  process.once('message', ({ question }) => { process.exitCode = 3; process.send({ answer: question * 7 }, () => process.disconnect()); });
} else if (process.argv[2] === 'clustered') {
  const server = http.createServer((request, response) => response.end('worker')).listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
} else {
  for (const part of [files, children, workers, network, rest, clustered]) await part();
}
