# Debian's zlib, configured, built and tested by its own makefile.
set -e
tar xf /usr/src/programs/zlib_*.orig.tar.*
cd zlib-*
./configure >configure.log
make -j2 >make.log 2>&1
make test 2>&1 | grep -E 'test OK|FAILED|hello|uncompress|gzread|inflate' | sort
./minigzip <zlib.h | ./minigzip -d | cmp - zlib.h && echo "the same again"
