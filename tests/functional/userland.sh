# SPDX-License-Identifier: GPL-2.0-or-later
# Programs whose output is the same on every processor: a line "result: NAME STATUS DIGEST" each.
# Run in a TD and on the host.
export LC_ALL=C HOME=/tmp PATH=/usr/bin:/bin:/usr/sbin:/sbin
cd /tmp || exit 1
rm -rf work && mkdir work && cd work || exit 1

try()
{
    name=$1
    shift
    status=0
    ("$@") >"out.$name" 2>"err.$name" || status=$?
    echo "result: $name $status $(sha256sum <"out.$name" | cut -c1-32)"
}

digests()
{
    for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512 sm3; do
        openssl dgst -$digest data || return 1
    done
}

# AES by rounds and by blocks of vectors, ChaCha by AVX-512 where there is one.
ciphers()
{
    key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    iv=00112233445566778899aabbccddeeff
    for cipher in aes-128-cbc aes-256-ctr chacha20 camellia-256-cbc aria-256-ctr; do
        openssl enc -$cipher -K $key -iv $iv -in binary -out sealed 2>warnings || return 1
        sha256sum sealed
        openssl enc -d -$cipher -K $key -iv $iv -in sealed 2>warnings | cmp - binary || return 1
    done
}

signatures()
{
    echo message >message
    openssl genrsa -out rsa.pem 2048 || return 1
    openssl ecparam -name prime256v1 -genkey -noout -out ec.pem || return 1
    for key in rsa ec; do
        openssl dgst -sha256 -sign $key.pem -out signature message &&
            openssl pkey -in $key.pem -pubout -out public.pem &&
            openssl dgst -sha256 -verify public.pem -signature signature message || return 1
    done
}

packers()
{
    xz -c -1 -T2 binary >packed && sha256sum packed && xz -dc packed | cmp - binary || return 1
    zstd -q -c -9 binary >packed && sha256sum packed && zstd -qdc packed | cmp - binary || return 1
    gzip -nc binary >packed && sha256sum packed && gzip -dc packed | cmp - binary
}

database()
{
    (echo "create table t(a int, b text); begin;"
     seq 20000 | sed 's/.*/insert into t values(&, hex(& * 7919 % 10007));/'
     echo "commit; create index x on t(b); select count(*), sum(a), max(b) from t;"
     echo "pragma integrity_check;"
     echo "select b, count(*) from t group by b order by 2 desc, 1 limit 5;") | sqlite3 base
}

repository()
{
    git init -q repository && cd repository || return 1
    git config user.email a@b && git config user.name n || return 1
    for n in 1 2 3 4 5; do
        seq $((n * 1000)) >file$n
        git add . && git commit -qm $n || return 1
    done
    git gc -q && git fsck --strict && git cat-file -p 'HEAD^{tree}'
}

numbers_python='
import hashlib, math, random, re, struct, threading, zlib
random.seed(5)
values = [random.random() * 10 ** random.randint(-300, 300) for _ in range(20000)]
out = []
for f in (math.sin, math.exp, math.log, math.atan, math.sqrt, math.tanh, math.erf, math.gamma):
    for x in values[:4000]:
        try:
            out.append(f(x).hex())
        except (OverflowError, ValueError) as e:
            out.append(type(e).__name__)
print(hashlib.sha256(" ".join(out).encode()).hexdigest())
print(hashlib.sha256(b"".join(struct.pack("<de", a, a % 1000) for a in values)).hexdigest())
print(math.factorial(2000) % (10 ** 50 + 7), zlib.crc32(repr(values).encode()))
print(len(re.findall(r"\d+e[+-]\d\d", repr(values))))
count, lock = [0], threading.Lock()
def work():
    for _ in range(5000):
        with lock:
            count[0] += 1
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(count)
'
numbers_perl='use Math::BigInt; print Math::BigInt->new(3)->bpow(2000), "\n"; my $s = 0;
for my $i (1..200000) { $s += sin($i) * sqrt($i) / ($i % 17 + 1); } printf "%.17g\n", $s;'
numbers_lua='local s = 0 for i = 1, 1e7 do s = (s * 31 + i) % 1000003 end print(s)
local t = {} for i = 1, 100000 do t[i] = math.sin(i) end table.sort(t)
print(string.format("%.17g %.17g", t[1], t[50000]))'

seq 400000 >data
head -c 2000000 /usr/bin/git >binary
try digests digests
try ciphers ciphers
try signatures signatures
try packers packers
try database database
try perl perl -e "$numbers_perl"
try python python3 -c "$numbers_python"
try luajit luajit -e "$numbers_lua"
try repository repository
