# tar, gzip, xz: made, listed, taken apart.
dir=$(mktemp -d); cd "$dir"
cp -r /etc/apt /etc/dpkg /etc/profile . 2> /dev/null
mkdir odd; touch "odd/with space" odd/$'new\nline'; ln -s ../profile odd/link; ln profile odd/hard; mkfifo odd/fifo
chmod 640 profile; dd if=/dev/zero of=odd/sparse bs=1 count=1 seek=100000 2> /dev/null
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf all.tar apt dpkg profile odd
md5sum all.tar; tar tvf all.tar | wc -l; tar tvf all.tar odd
mkdir out; tar xf all.tar -C out; diff -r --no-dereference apt out/apt && cmp profile out/profile && echo same
ls -l --time-style=+ out/odd | awk '{ print $1, $2, $5, $6, $7, $8 }'
for tool in gzip xz; do
    $tool -k -9 -n all.tar 2> /dev/null || $tool -k -9 all.tar
    ls all.tar.* | sort; $tool -dc all.tar.?z | cmp - all.tar && echo "$tool back"
    rm -f all.tar.?z
done
tar czf - apt | tar tzf - | sort | head -3
find . -name '*.list' -o -name profile | sort | tar cf named.tar -T - && tar tf named.tar | wc -l
file -b all.tar | cut -c1-20; file -b /usr/bin/perl | cut -c1-30
cd /; rm -rf "$dir"
