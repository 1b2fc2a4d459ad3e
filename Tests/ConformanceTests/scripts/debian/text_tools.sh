# Coreutils and friends on data of our own.
dir=$(mktemp -d); cd "$dir"
seq 1 5000 | awk '{ printf "%d %s line-%05d\n", ($1 * 7919) % 5003, ($1 % 3 ? "odd" : "even"), $1 }' > data
sort -n data | head -3; sort -k2,2 -k1,1nr data | sed -n '1p;2500p;$p'; sort -u -k2,2 data
grep -c odd data; grep -E '^(1|22|333) ' data; grep -v odd data | tail -2; grep -rl line-00042 .
sed -e 's/line-\([0-9]*\)/<\1>/' -e '/odd/d' data | head -3; sed -n '/line-00010/,/line-00012/p' data
awk '{ sum[$2] += $1 } END { for (k in sum) print k, sum[k] | "sort" }' data
cut -d' ' -f3 data | tr 'a-z-' 'A-Z_' | uniq | wc -l
tail -n +4990 data | nl | tac | head -2; head -c 100 data | od -An -tx1 | head -3
md5sum data; sha256sum data; cksum < data; wc data
split -l 1000 data part.; ls part.*; cat part.* | cmp - data && echo equal
comm -12 <(sort data) <(sort part.aa) | wc -l; join <(seq 5 | sort) <(seq 3 7 | sort); paste -d, <(seq 3) <(seq 4 6)
sort -S 64K -T . --parallel=2 data | md5sum; shuf -i 1-10 --random-source=data | md5sum
echo '2^200; scale=20; 4*a(1)' | bc -l; expr 6 \* 7; printf '%s\n' {z..a} | fmt -w 20; date -u -d @1234567890
yes | head -n 100000 | wc -c; dd if=/dev/zero bs=1k count=100 2> /dev/null | tr '\0' x | fold -w 50 | sort | uniq -c
tee copy1 copy2 < data > /dev/null; cmp copy1 copy2 && echo tee; xargs -n 1000 echo < <(seq 3000) | wc -l
timeout 0.2 sleep 5; echo "timeout $?"; env -i A=1 env; nice -n 5 nice; numfmt --to=iec 123456789; basename /a/b.c .c
cd /; rm -rf "$dir"
