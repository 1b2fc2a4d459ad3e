# Python: processes of all three kinds, threads, asyncio, sqlite3, sockets; a virtual environment.
set -e
python3 /programs/python/main.py | sed "s,$PWD,DIRECTORY,g"
python3 -m venv environment
environment/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix)'
environment/bin/pip --version | cut -d' ' -f1
environment/bin/pip list --format=freeze --disable-pip-version-check | cut -d= -f1
python3 -m timeit -n 10 -r 1 'sum(range(1000))' | cut -d' ' -f1,2
cp -r /usr/lib/python3.11/json compiled && python3 -m compileall -q -f -j 2 compiled && echo compiled
python3 -m unittest -h | head -1
python3 -X faulthandler -c 'import ctypes; ctypes.string_at(0)' 2>&1 | head -1 || true
ulimit -c 0
python3 -c 'import os; os.abort()' || echo "abort: $?"
