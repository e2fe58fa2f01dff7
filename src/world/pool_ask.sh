# Says one line to a runtime interface of HAProxy, and writes what it answers.
#
#   mode     `ask`, or `order` when any words in the answer mean that it was not done
#   within   for how many seconds an answer is waited for
#   socket   where it listens: a path, or HOST:PORT
#   line     what is said
#
# Exit codes: 66 nobody answers there (why is on standard error), 68 the order was refused (how is on standard error),
# 69 nothing here can speak to it.

mode=$1 within=$2 socket=$3 line=$4

with_perl='use strict; use IO::Socket::UNIX; use IO::Socket::INET;
my ($within, $socket, $line) = @ARGV;
$SIG{ALRM} = sub { print STDERR "no answer within $within seconds\n"; exit 66 };
$SIG{PIPE} = "IGNORE";
alarm $within;
my $there;
if ($socket =~ m{^/}) { $there = IO::Socket::UNIX->new(Peer => $socket) }
else {
    my ($host, $port) = $socket =~ /^\[?(.*?)\]?:(\d+)$/;
    $there = eval { require IO::Socket::IP; IO::Socket::IP->new(PeerHost => $host, PeerPort => $port) }
        || IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port);
}
if (!$there) { print STDERR "$!\n"; exit 66 }
print $there "$line\n"; $there->flush;
while (sysread($there, my $part, 65536)) { print $part }
close(STDOUT) or exit 66;'

with_python='import socket, sys
within, where, line = int(sys.argv[1]), sys.argv[2], sys.argv[3]
try:
    if where.startswith("/"):
        there = socket.socket(socket.AF_UNIX)
        there.settimeout(within)
        there.connect(where)
    else:
        host, port = where.rsplit(":", 1)
        there = socket.create_connection((host.strip("[]"), int(port)), within)
    try:
        there.sendall(line.encode() + b"\n")
    except BrokenPipeError:
        pass
    while True:
        part = there.recv(65536)
        if not part:
            break
        sys.stdout.buffer.write(part)
except Exception as error:
    sys.stderr.write("%s\n" % (getattr(error, "strerror", None) or error))
    sys.exit(66)'

speak() {
    if command -v perl >/dev/null && perl -MIO::Socket::UNIX -e 1 2>/dev/null; then
        perl -e "$with_perl" "$within" "$socket" "$line"
    elif command -v python3 >/dev/null; then
        python3 -c "$with_python" "$within" "$socket" "$line"
    elif command -v socat >/dev/null; then
        case $socket in
        *[!A-Za-z0-9/._:-]*) return 69 ;;
        /*) there=UNIX-CONNECT:$socket ;;
        *) there=TCP:$socket ;;
        esac
        printf '%s\n' "$line" | socat -t "$within" -T "$within" - "$there" || return 66
    elif command -v nc >/dev/null; then
        case $socket in
        /*) printf '%s\n' "$line" | nc -w "$within" -U "$socket" || return 66 ;;
        *) printf '%s\n' "$line" | nc -w "$within" "${socket%:*}" "${socket##*:}" || return 66 ;;
        esac
    else
        return 69
    fi
}

if [ "$mode" = ask ]; then
    speak
    exit
fi
answer=$(speak)
code=$?
[ "$code" -eq 0 ] || exit "$code"
case $answer in
*"Permission denied"*)
    echo "Permission denied: \`level admin\` is missing at \`stats socket\` in haproxy.cfg" >&2
    exit 68
    ;;
*[![:space:]]*)
    printf '%s\n' "$answer" >&2
    exit 68
    ;;
esac
