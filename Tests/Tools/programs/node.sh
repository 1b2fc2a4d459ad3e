# node: files, children, workers, HTTP on loopback, a cluster.
set -e
node /programs/node/main.mjs
node --jitless -e 'console.log([1, 2, 3].map((x) => x * x).join())'
echo 'console.log("from stdin", process.argv.length)' | node - argument
node -e 'process.abort()' 2>/dev/null || echo "abort: $?"
node --max-old-space-size=30 -e 'const all = []; for (;;) all.push(new Array(10000).fill(1.5))' >/dev/null 2>&1 || echo "heap: $?"
node --cpu-prof --cpu-prof-name=profile -e 'for (let i = 0; i < 1e7; i++);' && test -s profile && echo "profiled"
