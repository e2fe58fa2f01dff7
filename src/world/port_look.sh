# Tells whether something listens at a port, as this node sees it.
#
#   within   for how many milliseconds it is tried
#   host     the host: an address, or a name that this node resolves
#   port     the port
#
# Answers with `port`: `open`, `closed`, `unknown` when the host's address is
# not known, or `no-tool` when nothing here can connect.

within=$1 host=$2 port=$3
command -v setsid >/dev/null || exit 69

case $host in
*[!0-9.]*)
    case $host in
    *:*) ;;
    *)
        if command -v getent >/dev/null && ! getent hosts "$host" >/dev/null 2>&1; then
            getent ahosts "$host" >/dev/null 2>&1 || {
                say port unknown
                exit 0
            }
        fi
        ;;
    esac
    ;;
esac
if command -v bash >/dev/null; then
    bounded "$within" bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$host" "$port"
elif command -v python3 >/dev/null; then
    bounded "$within" python3 -c 'import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])))' "$host" "$port"
elif command -v nc >/dev/null; then
    bounded "$within" nc -z "$host" "$port"
elif command -v perl >/dev/null; then
    bounded "$within" perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1])' \
        "$host" "$port"
else
    code=no-tool
fi
case $code in
0) say port open ;;
no-tool) say port no-tool ;;
*) say port closed ;;
esac
