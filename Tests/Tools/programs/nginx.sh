# nginx with two workers: files by sendfile, ranges, many requests at a time, reload, a graceful end.
set -e
mkdir -p html logs
chmod 755 . html
echo "hello from nginx" >html/index.html
head -c 5000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null >html/big
cat >nginx.conf <<CONF
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/logs/error.log notice;
events { worker_connections 256; }
http {
    access_log $PWD/logs/access.log;
    sendfile on; tcp_nopush on; keepalive_timeout 5; types { text/html html; }
    client_body_temp_path $PWD/body; proxy_temp_path $PWD/proxy; fastcgi_temp_path $PWD/fcgi;
    uwsgi_temp_path $PWD/uwsgi; scgi_temp_path $PWD/scgi;
    server { listen 127.0.0.1:18080 reuseport; listen unix:$PWD/socket; root $PWD/html; location /proxy/ { proxy_pass http://unix:$PWD/socket:/; } }
}
CONF
nginx -q -t -c "$PWD/nginx.conf" -p "$PWD"
nginx -c "$PWD/nginx.conf" -p "$PWD"
for try in $(seq 100); do curl -fs http://127.0.0.1:18080/ && break; sleep 0.1; done
curl -sS http://127.0.0.1:18080/big | cmp - html/big && echo "big file"
curl -sS -r 1000000-1999999 http://127.0.0.1:18080/big | wc -c
curl -sS -o /dev/null -w '%{http_code}\n' http://127.0.0.1:18080/none
curl -sS http://127.0.0.1:18080/proxy/index.html
curl -sS --unix-socket socket http://localhost/index.html
seq 400 | xargs -P 8 -n 50 sh -c 'for i; do echo "url = http://127.0.0.1:18080/index.html"; done | curl -sS -K - ' sh | sort | uniq -c | tr -s ' '
echo "after the reload" >html/index.html
nginx -s reload -c "$PWD/nginx.conf" -p "$PWD"
sleep 0.5
curl -sS http://127.0.0.1:18080/
pid=$(cat nginx.pid)
kill -QUIT "$pid"
for try in $(seq 100); do [ -e nginx.pid ] || break; sleep 0.1; done
test ! -e nginx.pid && echo "ended"
grep -c 'GET /index.html' logs/access.log
grep -E '\[(alert|crit|emerg|error)\]' logs/error.log | grep -v 'none.*No such file' || echo "no errors"
