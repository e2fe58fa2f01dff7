# Follows orders for a tree, which are standard input; see `replace.sh`. It stands before the scripts that need it.

# The numbers of the system calls renameat2 and utimensat, and of `long` in them; 0 where they are not known.
calls() {
    case $(uname -m) in
    x86_64) echo 316 280 ;;
    aarch64 | riscv64 | loongarch64) echo 276 88 ;;
    armv*) echo 382 348 ;;
    i?86) echo 353 320 ;;
    ppc64*) echo 357 304 ;;
    s390x) echo 347 315 ;;
    *) echo 0 0 ;;
    esac
}

# obey STAGE: in the folder of the tree.
obey() {
    if command -v perl >/dev/null; then
        perl -e "$by_perl" "$1" $(calls)
    elif command -v python3 >/dev/null; then
        python3 -c "$by_python" "$1" $(calls)
    else
        xargs -0 -n500 /bin/sh -c "$by_shell" sh "$1"
    fi 2>"$1.said"
    its_code=$?
    said=$(tail -c 2000 "$1.said")
    rm -f -- "$1.said"
    [ "$its_code" -eq 0 ] || blame "not every file could be given its place" "$said"
}

by_perl='
use strict;
my ($stage, $exchange, $utimens) = @ARGV;
my $aside = 0;
my %folder = ("." => 1);
$/ = "\0";
sub word { my $word = <STDIN>; defined $word && chomp $word or die "the orders were cut short\n"; $word }
sub fail { my ($path, $why) = @_; print STDERR "$path: $why\n"; exit 1 }
# Nothing is ever changed through a link.
sub check {
    my ($path) = @_;
    my $above = $path =~ m{^(.*)/[^/]*$}s ? $1 : ".";
    $above = "." if $path eq "./";
    return if $folder{$above};
    my $at = "";
    for my $part (split m{/}, $above) {
        $at = $at eq "" ? $part : "$at/$part";
        next if $folder{$at};
        lstat $at; -d _ or fail($at, "it is no folder any more");
        $folder{$at} = 1;
    }
}
sub is_folder { lstat $_[0]; -d _ }
sub place {
    my ($from, $path) = @_;
    return if rename $from, $path;
    my $why = $!;
    if ($!{EACCES} && is_folder($from)) {
        my $mode = (lstat $from)[2] & 07777;
        chmod $mode | 0700, $from;
        my $done = rename $from, $path;
        $why = $!;
        chmod $mode, $done ? $path : $from;
        return if $done;
    }
    if ($!{EXDEV}) {
        # Another file system is mounted here.
        my ($above) = $path =~ m{^(.*)/}s;
        my $near = "$above/.clusterctl-new";
        system("rm", "-rf", "--", $near);
        system("cp", "-a", "--", $from, $near) == 0 or fail($path, "it can not be copied");
        return if rename $near, $path;
        return swap($near, $path);
    }
    return swap($from, $path) if $!{EISDIR} || $!{ENOTEMPTY} || $!{EEXIST} || $!{ENOTDIR};
    fail($path, $why);
}
sub swap {
    my ($from, $path) = @_;
    lstat $path or return place($from, $path);
    if (is_folder($from)) { my $mode = (lstat $from)[2] & 07777; chmod $mode | 0700, $from if $> && ($mode & 0700) != 0700 }
    if (is_folder($path)) { my $mode = (lstat $path)[2] & 07777; chmod $mode | 0700, $path if $> && ($mode & 0700) != 0700 }
    my ($to_here, $to_there) = ("$from", "$path");
    return if $exchange && syscall($exchange + 0, -100, $to_here, -100, $to_there, 2) == 0;
    my $old = ++$aside;
    my ($above) = $path =~ m{^(.*)/}s;
    if (!rename $path, "$stage/.old-$old") {
        $old = "$above/.clusterctl-old";
        rename $path, $old or fail($path, $!);
        rename $from, $path or place($from, $path);
        system("rm", "-rf", "--", $old);
        return;
    }
    rename $from, $path or place($from, $path);
}
while (defined(my $order = <STDIN>)) {
    chomp $order;
    my ($path, $one, $two, $three) = (word(), word(), word(), word());
    check($path);
    if ($order eq "R") { place("$stage/$path", $path) }
    elsif ($order eq "X") { swap("$stage/$path", $path) }
    elsif ($order eq "L") {
        my $name = "$stage/.name-" . ++$aside;
        unlink $name;
        link $one, $name or fail($path, $!);
        place($name, $path);
        # A name for a file that has this name already stays where it is.
        unlink $name unless is_folder($name);
    }
    elsif ($order eq "A") {
        -l $path || -d $path and fail($path, "it is no file any more");
        if ($two ne "-") { my ($uid, $gid) = split /:/, $two; chown $uid, $gid, $path or fail($path, $!) }
        chmod oct $one, $path or fail($path, $!);
        my ($seconds, $nanos) = split /[.]/, $three;
        if ($utimens) {
            my $times = pack("l!4", 0, 0x3ffffffe, $seconds, $nanos);
            syscall($utimens + 0, -100, "$path", $times, 0x100) == 0 or fail($path, $!);
        } else { utime undef, $seconds, $path or fail($path, $!) }
    }
    elsif ($order eq "W") { is_folder($path) and chmod((lstat $path)[2] & 07777 | 0700, $path) || fail($path, $!) }
    elsif ($order eq "P") { is_folder($path) and chmod(oct $one, $path) || fail($path, $!) }
    elsif ($order eq "D") { unlink $path or $!{ENOENT} or fail($path, $!) }
    elsif ($order eq "F") { rmdir $path or $!{ENOENT} || $!{ENOTEMPTY} || $!{EEXIST} or fail($path, $!) }
}
'

by_python='
import ctypes, errno, os, stat, subprocess, sys
stage = os.fsencode(sys.argv[1])
call = int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
words = sys.stdin.buffer.read().split(b"\0")[:-1]
folders = {b"."}
count = 0
def fail(path, why):
    os.write(2, path + b": " + os.fsencode(str(why)) + b"\n")
    sys.exit(1)
def mode(path):
    return os.lstat(path).st_mode
def is_folder(path):
    try:
        return stat.S_ISDIR(mode(path))
    except FileNotFoundError:
        return False
def check(path):
    above = path[:path.rindex(b"/")]
    if above in folders:
        return
    at = b""
    for part in above.split(b"/"):
        at = at + b"/" + part if at else part
        if at not in folders:
            if not is_folder(at):
                fail(at, "it is no folder any more")
            folders.add(at)
def opened(path):
    if os.geteuid() and is_folder(path) and mode(path) & 0o700 != 0o700:
        os.chmod(path, stat.S_IMODE(mode(path)) | 0o700)
def place(source, path):
    try:
        return os.rename(source, path)
    except OSError as error:
        why = error
    if why.errno == errno.EACCES and is_folder(source):
        kept = stat.S_IMODE(mode(source))
        os.chmod(source, kept | 0o700)
        os.rename(source, path)
        return os.chmod(path, kept)
    if why.errno == errno.EXDEV:
        near = path[:path.rindex(b"/")] + b"/.clusterctl-new"
        subprocess.call(["rm", "-rf", "--", near])
        if subprocess.call(["cp", "-a", "--", source, near]):
            fail(path, "it can not be copied")
        try:
            return os.rename(near, path)
        except OSError:
            return swap(near, path)
    if why.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
        return swap(source, path)
    fail(path, why.strerror)
def swap(source, path):
    global count
    if not os.path.lexists(path):
        return place(source, path)
    opened(source)
    opened(path)
    if call and libc.syscall(call, -100, source, -100, path, 2) == 0:
        return
    count += 1
    try:
        os.rename(path, stage + b"/.old-%d" % count)
    except OSError:
        old = path[:path.rindex(b"/")] + b"/.clusterctl-old"
        os.rename(path, old)
        place(source, path)
        return subprocess.call(["rm", "-rf", "--", old])
    place(source, path)
def gone(what, path, fine):
    try:
        what(path)
    except OSError as error:
        if error.errno not in fine:
            raise
for at in range(0, len(words), 5):
    order, path, one, two, three = words[at:at + 5]
    check(path)
    try:
        if order == b"R":
            place(stage + b"/" + path, path)
        elif order == b"X":
            swap(stage + b"/" + path, path)
        elif order == b"L":
            count += 1
            name = stage + b"/.name-%d" % count
            gone(os.unlink, name, [errno.ENOENT])
            os.link(one, name, follow_symlinks=False)
            place(name, path)
            if not is_folder(name):
                gone(os.unlink, name, [errno.ENOENT])
        elif order == b"A":
            if not stat.S_ISREG(mode(path)):
                fail(path, "it is no file any more")
            if two != b"-":
                os.chown(path, *map(int, two.split(b":")))
            os.chmod(path, int(one, 8))
            seconds, nanos = three.split(b".")
            os.utime(path, ns=(os.stat(path).st_atime_ns, int(seconds) * 10**9 + int(nanos)))
        elif order == b"W" and is_folder(path):
            os.chmod(path, stat.S_IMODE(mode(path)) | 0o700)
        elif order == b"P" and is_folder(path):
            os.chmod(path, int(one, 8))
        elif order == b"D":
            gone(os.unlink, path, [errno.ENOENT])
        elif order == b"F":
            gone(os.rmdir, path, [errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST])
    except OSError as error:
        fail(path, error.strerror)
'

# Slower, a process or more for each order, where there is neither.
by_shell='
stage=$1
shift
checked=
fail() {
    printf "%s: %s\n" "$1" "$2" >&2
    exit 255
}
is_folder() {
    [ -d "$1" ] && ! [ -L "$1" ]
}
while [ $# -gt 0 ]; do
    order=$1 path=$2 one=$3 two=$4 three=$5
    shift 5
    above=${path%/*}
    if [ "$above" != "$checked" ] && [ "$above" != . ]; then
        [ "$(cd -P -- "$above" && pwd -P)" = "$(pwd -P)/${above#./}" ] || fail "$above" "it is no folder any more"
    fi
    checked=$above
    from=$stage/$path
    case $order in
    L)
        from=$stage/.name
        rm -f -- "$from"
        ln -- "$one" "$from" || exit 255
        order=R
        ;;
    esac
    case $order in
    R | X)
        if is_folder "$path" || { is_folder "$from" && { [ -e "$path" ] || [ -L "$path" ]; }; }; then
            rm -rf -- "$stage/.old"
            mv -- "$path" "$stage/.old" || exit 255
        fi
        if [ -L "$path" ]; then
            mv -f -T -- "$from" "$path" 2>/dev/null || { rm -f -- "$path" && mv -f -- "$from" "$path"; } || exit 255
        else
            mv -f -- "$from" "$path" || exit 255
        fi
        [ "$from" != "$stage/.name" ] || rm -f -- "$from"
        ;;
    A)
        [ -f "$path" ] && ! [ -L "$path" ] || fail "$path" "it is no file any more"
        [ "$two" = - ] || chown "$two" "$path" || exit 255
        chmod "$one" "$path" || exit 255
        case $three in -*) three=0 ;; esac
        touch -m -d "@$three" -- "$path" 2>/dev/null || touch -m -d "@${three%.*}" "$path" || exit 255
        ;;
    W) ! is_folder "$path" || chmod u+rwx "$path" || exit 255 ;;
    P) ! is_folder "$path" || chmod "$one" "$path" || exit 255 ;;
    D) rm -f -- "$path" || exit 255 ;;
    F) rmdir -- "$path" 2>/dev/null || ! is_folder "$path" || [ -n "$(ls -A -- "$path")" ] || fail "$path" "it can not be removed" ;;
    esac
done
'
