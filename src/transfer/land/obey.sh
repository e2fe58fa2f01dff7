# Follows orders for a tree, which are standard input; see `replace.sh`. It stands before the scripts that need it.

# obey STAGE: in the folder of the tree.
obey() {
    said=$({
        if command -v perl >/dev/null; then
            perl -e "$by_perl" "$1" $(calls) "$across" "$away"
        elif command -v python3 >/dev/null; then
            python3 -c "$by_python" "$1" $(calls) "$across" "$away"
        else
            xargs -0 -n50 -s100000 /bin/sh -c "$by_shell" sh "$1" "$across" "$away"
        fi
        echo "ended $?"
    } 2>&1 | tail -c 4000)
    its_code=${said##*ended }
    [ "$its_code" = 0 ] || blame "not every file could be given its place" "${said%ended *}"
}

# Copies something beside its place, where another file system is mounted, and has it there on disk.
across='
rm -rf -- "$2"
if why=$(cp -a -- "$1" "$2" 2>&1); then
    if [ -d "$2" ] && ! [ -L "$2" ]; then
        find "$2" -type f -exec sync -- "{}" + 2>/dev/null || sync
    elif [ -f "$2" ] && ! [ -L "$2" ]; then
        sync -- "$2" 2>/dev/null || sync
    fi
    exit 0
fi
rm -rf -- "$2"
at=$(df -P -- "${2%/*}/" 2>/dev/null | { read -r _ && read -r _ _ _ _ _ at && echo "$at"; })
printf "%s, on the file system that is mounted at %s\n" "$(printf "%s\n" "$why" | head -n 1)" "$at" >&2
exit 1
'

# Removes something, also what its owner has closed.
away='
rm -rf -- "$1" 2>/dev/null || {
    find "$1" -type d ! -perm -700 -exec chmod u+rwx "{}" ";" 2>/dev/null
    rm -rf -- "$1"
}
'

by_perl='
use strict;
my ($stage, $exchange, $utimens, $across, $away) = @ARGV;
my $aside = 0;
# By their numbers in the stage: where files with several names went that had to be copied.
my %copied;
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
sub opened { my ($path) = @_; is_folder($path) or return; my $mode = (lstat $path)[2] & 07777; chmod $mode | 0700, $path if $> && ($mode & 0700) != 0700 }
sub changed { $exchange && syscall($exchange + 0, -100, "$_[0]", -100, "$_[1]", 2) == 0 }
sub near { my ($above) = $_[0] =~ m{^(.*)/}s; "$above/.clusterctl-near" }
sub away { system("/bin/sh", "-c", $away, "sh", $_[0]) }
sub place {
    my ($from, $path) = @_;
    return if rename $from, $path;
    return across($from, $path) if $!{EXDEV};
    return swap($from, $path) if $!{EISDIR} || $!{ENOTEMPTY} || $!{EEXIST} || $!{ENOTDIR};
    my $why = $!;
    if ($!{EACCES} && is_folder($from)) {
        my $mode = (lstat $from)[2] & 07777;
        chmod $mode | 0700, $from;
        my $done = rename $from, $path;
        $why = $!;
        chmod $mode, $done ? $path : $from;
        return if $done;
    }
    fail($path, $why);
}
# What had to be opened for it is closed again.
sub swap {
    my ($from, $path) = @_;
    my $mode = is_folder($from) ? (lstat $from)[2] & 07777 : undef;
    swapped($from, $path);
    chmod $mode, $path if $> && defined $mode;
}
sub swapped {
    my ($from, $path) = @_;
    lstat $path or return place($from, $path);
    opened($from);
    opened($path);
    return if changed($from, $path);
    return across($from, $path) if $exchange && $!{EXDEV};
    if (!rename $path, "$stage/.clusterctl-near-old-" . ++$aside) {
        $!{EXDEV} or fail($path, $!);
        return across($from, $path);
    }
    rename $from, $path or place($from, $path);
}
# Another file system is mounted here: a copy is made beside the place first, and only then takes it.
sub across {
    my ($from, $path) = @_;
    my $near = near($path);
    my (undef, $number, undef, $names) = lstat $from;
    my $has_more = -f _ && $names > 1;
    if ($has_more && defined $copied{$number}) {
        away($near);
        return settle($near, $path) if link $copied{$number}, $near;
    }
    system("/bin/sh", "-c", $across, "sh", $from, $near) == 0 or fail($path, "it can not be copied to where it belongs");
    my %new;
    if (is_folder($from)) { names_in($from, $near, $path, \%new) }
    elsif ($has_more) { $new{$number} = $path }
    settle($near, $path);
    @copied{keys %new} = values %new;
}
# In a folder that was copied: files that have further names elsewhere become those again.
sub names_in {
    my ($from, $near, $path, $new) = @_;
    opendir my $folder, $from or return;
    for my $name (readdir $folder) {
        next if $name eq "." || $name eq "..";
        my (undef, $number, undef, $names) = lstat "$from/$name";
        if (-d _) { names_in("$from/$name", "$near/$name", "$path/$name", $new) }
        elsif (-f _ && $names > 1) {
            if (!defined $copied{$number}) { $new->{$number} = "$path/$name" }
            elsif (unlink "$near/$name") { link $copied{$number}, "$near/$name" or fail("$path/$name", $!) }
        }
    }
}
# What stands beside a place gets it.
sub settle {
    my ($near, $path) = @_;
    if (!rename $near, $path) {
        $!{EISDIR} || $!{ENOTEMPTY} || $!{EEXIST} || $!{ENOTDIR} or fail($path, $!);
        my $mode = is_folder($near) ? (lstat $near)[2] & 07777 : undef;
        opened($near);
        opened($path);
        if (!changed($near, $path)) {
            away("$near-old");
            rename $path, "$near-old" or fail($path, $!);
            rename $near, $path or fail($path, $!);
            away("$near-old");
        }
        chmod $mode, $path if $> && defined $mode;
    }
    # A name for a file that has this name already stays where it is.
    away($near) if lstat $near;
}
while (defined(my $order = <STDIN>)) {
    chomp $order;
    my ($path, $one, $two, $three) = (word(), word(), word(), word());
    check($path);
    if ($order eq "R") { place("$stage/$path", $path) }
    elsif ($order eq "X") { swap("$stage/$path", $path) }
    elsif ($order eq "L") {
        my $name = "$stage/.clusterctl-near-name-" . ++$aside;
        unlink $name;
        if (link $one, $name) {
            place($name, $path);
            unlink $name unless is_folder($name);
        } else {
            $!{EXDEV} or fail($path, $!);
            my $near = near($path);
            away($near);
            link $one, $near or fail($path, $!);
            settle($near, $path);
        }
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
    elsif ($order eq "N") { $path =~ m{/[.]clusterctl-near[^/]*$} and away($path) }
    elsif ($order eq "D") { unlink $path or $!{ENOENT} or fail($path, $!) }
    elsif ($order eq "F") { rmdir $path or $!{ENOENT} || $!{ENOTEMPTY} || $!{EEXIST} or fail($path, $!) }
}
'

by_python='
import ctypes, errno, os, stat, subprocess, sys
stage = os.fsencode(sys.argv[1])
call = int(sys.argv[2])
across_by, away_by = sys.argv[4:6]
# By their numbers in the stage: where files with several names went that had to be copied.
copied = {}
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
def changed(one, other):
    return call and libc.syscall(call, -100, one, -100, other, 2) == 0
def near_to(path):
    return path[:path.rindex(b"/")] + b"/.clusterctl-near"
def away(path):
    subprocess.call(["/bin/sh", "-c", away_by, "sh", path], stdin=subprocess.DEVNULL)
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
        return across(source, path)
    if why.errno in taken:
        return swap(source, path)
    fail(path, why.strerror)
taken = (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
# What had to be opened for it is closed again.
def swap(source, path):
    kept = stat.S_IMODE(mode(source)) if is_folder(source) else None
    swapped(source, path)
    if kept is not None and os.geteuid():
        os.chmod(path, kept)
def swapped(source, path):
    global count
    if not os.path.lexists(path):
        return place(source, path)
    opened(source)
    opened(path)
    if changed(source, path):
        return
    count += 1
    try:
        os.rename(path, stage + b"/.clusterctl-near-old-%d" % count)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return across(source, path)
    place(source, path)
# Another file system is mounted here: a copy is made beside the place first, and only then takes it.
def across(source, path):
    near = near_to(path)
    found = os.lstat(source)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and found.st_ino in copied:
        away(near)
        os.link(copied[found.st_ino], near, follow_symlinks=False)
        return settle(near, path)
    if subprocess.call(["/bin/sh", "-c", across_by, "sh", source, near], stdin=subprocess.DEVNULL):
        fail(path, "it can not be copied to where it belongs")
    new = {}
    if is_folder(source):
        names_in(source, near, path, new)
    else:
        new[found.st_ino] = path
    settle(near, path)
    copied.update(new)
# In a folder that was copied: files that have further names elsewhere become those again.
def names_in(source, near, path, new):
    for entry in os.scandir(source):
        inside = [folder + b"/" + entry.name for folder in (source, near, path)]
        found = os.lstat(inside[0])
        if stat.S_ISDIR(found.st_mode):
            names_in(*inside, new)
        elif stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            if found.st_ino in copied:
                os.unlink(inside[1])
                os.link(copied[found.st_ino], inside[1], follow_symlinks=False)
            else:
                new[found.st_ino] = inside[2]
# What stands beside a place gets it.
def settle(near, path):
    try:
        os.rename(near, path)
    except OSError as error:
        if error.errno not in taken:
            raise
        kept = stat.S_IMODE(mode(near)) if is_folder(near) else None
        opened(near)
        opened(path)
        if not changed(near, path):
            away(near + b"-old")
            os.rename(path, near + b"-old")
            os.rename(near, path)
            away(near + b"-old")
        if kept is not None and os.geteuid():
            os.chmod(path, kept)
    # A name for a file that has this name already stays where it is.
    if os.path.lexists(near):
        away(near)
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
            name = stage + b"/.clusterctl-near-name-%d" % count
            gone(os.unlink, name, [errno.ENOENT])
            try:
                os.link(one, name, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                near = near_to(path)
                away(near)
                os.link(one, near, follow_symlinks=False)
                settle(near, path)
                continue
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
        elif order == b"N" and path[path.rindex(b"/"):].startswith(b"/.clusterctl-near"):
            away(path)
        elif order == b"D":
            gone(os.unlink, path, [errno.ENOENT])
        elif order == b"F":
            gone(os.rmdir, path, [errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST])
    except OSError as error:
        fail(path, error.strerror)
'

# Slower, a process or more for each order, where there is neither.
by_shell='
stage=$1 across=$2 away=$3
shift 3
checked= probed= far=
puts_away() {
    /bin/sh -c "$away" sh "$1"
}
fail() {
    printf "%s: %s\n" "$1" "$2" >&2
    exit 255
}
is_folder() {
    [ -d "$1" ] && ! [ -L "$1" ]
}
while [ $# -gt 0 ]; do
    [ $# -ge 5 ] || fail "$1" "the orders were cut short"
    order=$1 path=$2 one=$3 two=$4 three=$5
    shift 5
    above=${path%/*}
    if [ "$above" != "$checked" ] && [ "$above" != . ]; then
        [ "$(cd -P -- "$above" && pwd -P && echo .)" = "$(pwd -P)/${above#./}
." ] || fail "$above" "it is no folder any more"
    fi
    checked=$above
    near=$above/.clusterctl-near
    case $order$above in
    [RXL]"$probed") ;;
    [RXL]*)
        # Whether another file system is mounted here, only such a call tells.
        probed=$above far=
        : >"$stage/.clusterctl-near-probe"
        puts_away "$near"
        ln -- "$stage/.clusterctl-near-probe" "$near" 2>/dev/null && rm -f -- "$near" || far=yes
        ;;
    esac
    from=$stage/$path
    if [ "$order" = L ]; then
        from=$stage/.clusterctl-near-name
        rm -f -- "$from"
        [ -z "$far" ] || from=$near
        puts_away "$near"
        ln -- "$one" "$from" || exit 255
        order=R
    fi
    case $order in
    R | X)
        if [ -n "$far" ] && [ "$from" != "$near" ]; then
            number=
            if [ -f "$from" ] && ! [ -L "$from" ] && [ "$(stat -c %h -- "$from")" -gt 1 ]; then
                number=$stage/.clusterctl-near-copied-$(stat -c %i -- "$from")
            fi
            if [ -f "$number" ]; then
                # Another name of a file that had to be copied.
                first=$(cat -- "$number" && echo .)
                puts_away "$near"
                ln -- "${first%??}" "$near" || exit 255
            else
                /bin/sh -c "$across" sh "$from" "$near" || fail "$path" "it can not be copied to where it belongs"
                [ -z "$number" ] || printf "%s\n" "$path" >"$number"
            fi
            from=$near
        fi
        old=$stage/.clusterctl-near-old
        [ -z "$far" ] || old=$near-old
        # A folder that its owner has closed can not be moved.
        mode=
        if is_folder "$from" && ! [ -w "$from" ]; then
            mode=$(stat -c %a -- "$from") && chmod u+rwx "$from" || exit 255
        fi
        aside=
        if is_folder "$path" || { is_folder "$from" && { [ -e "$path" ] || [ -L "$path" ]; }; }; then
            puts_away "$old"
            ! is_folder "$path" || [ -w "$path" ] || chmod u+rwx "$path" || exit 255
            mv -T -- "$path" "$old" || exit 255
            aside=yes
        fi
        if [ -L "$path" ]; then
            mv -f -T -- "$from" "$path" 2>/dev/null || { rm -f -- "$path" && mv -f -- "$from" "$path"; } || exit 255
        elif ! mv -f -- "$from" "$path"; then
            [ -z "$aside" ] || mv -T -- "$old" "$path"
            exit 255
        fi
        [ -z "$mode" ] || chmod "$mode" "$path" || exit 255
        case $from in "$near" | "$stage/.clusterctl-near-name") rm -rf -- "$from" ;; esac
        [ -z "$far" ] || puts_away "$old"
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
    N) case $path in */.clusterctl-near*) puts_away "$path" ;; esac ;;
    D) rm -f -- "$path" || exit 255 ;;
    F) rmdir -- "$path" 2>/dev/null || ! is_folder "$path" || [ -n "$(ls -A -- "$path")" ] || fail "$path" "it can not be removed" ;;
    esac
done
'
