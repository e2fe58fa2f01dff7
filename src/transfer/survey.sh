# What stands where a tree shall land, and what the node has to land it with.
#
#   to      where the tree shall be
#   hidden  how the names of folders begin in which earlier runs have staged trees for the same place
#   own     the folder that this run stages it in, without which none is looked into
#   owner   whom files shall belong to, as `user:group`, either of them a name or a number, or `user`; `-` for nobody
#   what    `all`, or `entries` where nothing shall be landed: no attributes, and nothing that takes its time
#   begun   where a step that changes the place notes down first what it contains; `-` for nowhere
#
# Writes parts that end with a zero byte. First `name=value` of the node; then, after `live`, the entries of the tree
# that is there, and after `stage`, those of the latest stage; last `whole`. An entry is three parts: its attributes,
# its path, and what a link names.

to=$1 hidden=$2 own=$3 owner=$4 what=$5 begun=$6

say() {
    printf '%s=%s\0' "$1" "$2"
}

has() {
    command -v "$1" >/dev/null
}

if [ "$begun" != - ] && read -r was _ 2>/dev/null <"$begun"; then
    say begun "$was"
    printf 'whole\0'
    exit 0
fi

for tool in stat readlink find xargs tar cp mv rm mkdir df sync head cat; do
    has "$tool" || stop $EX_FAILED "the node has no program \`$tool\`, which is needed to copy trees to it"
done
lists=stat
! find / -maxdepth 0 -printf '' 2>/dev/null || lists=find
case $(tar --version 2>&1) in
*'GNU tar'*)
    archives=gnu
    # What stays is copied by `cp`, and any other than GNU's keeps no more than busybox does.
    case $(cp --help 2>&1) in *--no-preserve*) ;; *) archives=busybox ;; esac
    ;;
*busybox*) archives=busybox ;;
*) stop $EX_FAILED 'the tar of the node is neither the one of GNU nor that of busybox, and no other is known to keep everything' ;;
esac
hash= hasher=
! has sha256sum || hash=sha256 hasher=sha256sum
! has b2sum || hash=blake2 hasher=b2sum
[ -n "$hash" ] || stop $EX_FAILED 'the node has neither b2sum nor sha256sum, by one of which copies are verified'
say lists "$lists"
say archives "$archives"
say hash "$hash"
say hasher "$hasher"
if [ "$what" = all ]; then
    exchange=$(exchanger)
    # What it says of itself differs by version.
    [ "$(printf x | zstd -q -c 2>/dev/null | zstd -d -q -c 2>/dev/null)" != x ] || say zstd yes
else
    exchange=none
fi
say exchange "$exchange"
# By instructions of the processor SHA-256 is faster than anything else; not every `sha256sum` uses them.
if [ "$what" = all ] && grep -q -w -e sha_ni -e sha2 /proc/cpuinfo 2>/dev/null; then
    quick='openssl dgst -sha256 -r'
    # Not every one may read every file.
    one=$($quick /proc/version 2>/dev/null) other=$(sha256sum /proc/version 2>/dev/null)
    [ -z "$one" ] || [ "${one%% *}" != "${other%% *}" ] || say quick "$quick"
fi
many=$(nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo 2>/dev/null)
[ "${many:-0}" -gt 1 ] 2>/dev/null || many=1
say processes "$((many > 8 ? 8 : many))"
say user "$(id -u)"
say group "$(id -g)"

# The number that a list of users or groups has for a name.
number_of() { # LIST NAME
    case $2 in
    *[!0-9]*) ;;
    ?*)
        echo "$2"
        return
        ;;
    esac
    { getent "$1" "$2" || grep -F -e "$2:" "/etc/$1"; } 2>/dev/null | while IFS=: read -r name _ number _; do
        if [ "$name" = "$2" ]; then
            echo "$number"
            break
        fi
    done
}

if [ "$owner" != - ]; then
    [ "$(id -u)" = 0 ] || stop $EX_DENIED "only the superuser can give files to $owner, and this is user $(id -u)"
    user=${owner%%:*}
    uid=$(number_of passwd "$user")
    [ -n "$uid" ] || stop $EX_FAILED "the node has no user $user"
    case $owner in
    *:*)
        group=${owner#*:}
        gid=$(number_of group "$group")
        [ -n "$gid" ] || stop $EX_FAILED "the node has no group $group"
        ;;
    *)
        gid=$(id -g -- "$user" 2>/dev/null) ||
            stop $EX_FAILED "the node knows no group of user $user: give one after a colon"
        ;;
    esac
    say owner "$uid:$gid"
fi

kind=absent real=$to
if [ -d "$to" ]; then
    kind=folder
    real=$(readlink -f -- "$to" && echo .) || stop $EX_FAILED "$to can't be followed"
    real=${real%??}
elif exists "$to"; then
    kind=other
    at=$(readlink -f -- "$to" 2>/dev/null && echo .)
    at=${at%??}
    [ -z "$at" ] || exists "$at" || {
        tree_of "$at"
        [ "$tree" = "$at" ] || kind=absent real=$at
    }
fi
parent=${real%/*}
parent=${parent:-/}
if ! [ -d "$parent" ]; then
    stop $EX_FAILED "there is no folder $parent for ${real##*/} to be in"
fi
parent=$(readlink -f -- "$parent" && echo .)
parent=${parent%??}
[ "$parent" != / ] || parent=
real=$parent/${real##*/}
tree=$real
if [ "$kind" = absent ]; then
    tree_of "$real"
    [ "$tree" = "$real" ] || kind=folder
fi
say tree "$tree"
say kind "$kind"
say real "$real"
writable=no
! [ -w "$parent/" ] || writable=yes
say writable "$writable"
inside=no
! [ -w "$tree/" ] || inside=yes
say inside "$inside"
mounted=no
! is_mounted "$tree" || mounted=yes
say mounted "$mounted"
[ "$kind" != folder ] || say mounts "$(mounted_in "$tree" below all)"
# Where a stage is on the same file system as the place: beside it, else in it.
base=$parent
if [ "$kind $tree" = "folder $real" ] && { [ "$mounted" = yes ] || [ "$writable" = no ]; }; then
    base=$real
fi
say base "$base"
say space "$(df -Pk -- "$base/" | { read -r _; read -r _ _ _ free _; echo "$free"; })"
say inodes "$(df -Pi -- "$base/" 2>/dev/null | {
    # A file system that counts none says that it has none.
    read -r _ && read -r _ all _ free _ && [ "$all" != 0 ] && echo "$free"
})"

# Which extended attributes are kept, as far as that can be told: without `getfattr` it can't.
has_names() {
    case $(getfattr -h --only-values -n "$1" -- "$base/" 2>&1) in
    *'not supported'*) echo no ;;
    *) echo yes ;;
    esac
}
attributes=no
if [ "$what $lists $archives" = 'all find gnu' ] && getfattr --version >/dev/null 2>&1; then
    attributes=yes
    say user_attributes "$(has_names user.clusterctl)"
    say access_lists "$(has_names system.posix_acl_default)"
fi
say attributes "$attributes"

# attributes_of NAME FOLDER: the extended attributes in a folder.
attributes_of() (
    [ "$attributes" = yes ] && cd -P -- "$2" || exit 0
    printf 'attributes of %s\n' "$1"
    getfattr -R -P -h -d -e hex -m '^(user|trusted)\.|^system\.posix_acl_|^security\.capability$' . 2>/dev/null
    printf '\0'
)

# The entries of a folder.
list() (
    cd -P -- "$1" || exit 1
    if [ "$lists" = find ]; then
        exec find . -printf '%y %m %U %G %T@ %s %n %D:%i %b\0%P\0%l\0'
    fi
    # One `stat` for many, which gives a line each; then their names, which may have lines in them. What `find` can't
    # read is no empty folder: nothing can be where this path leads, so `stat` fails. What went since is left out.
    {
        { said=$(find . -print0 2>&1 >&4) || only_gone "$said" || printf '/dev/null/unreadable\0'; } 4>&1
    } | xargs -0 -n256 /bin/sh -c '
        looks=0
        until lines=$(stat -c "%F/%a %u %g %Y %s %h %d:%i %b" -- "$@" 2>/dev/null); do
            looks=$((looks + 1))
            said=$(stat -c "" -- "$@" 2>&1 | grep -v -e "^$" -e ": No such file or directory$")
            if [ -n "$said" ] || [ $looks -gt 9 ]; then
                printf "%s\\n" "${said:-files come and go all the time}" >&2
                exit 255
            fi
            for at; do
                shift
                ! [ -e "$at" ] && ! [ -L "$at" ] || set -- "$@" "$at"
            done
            [ $# -gt 0 ] || exit 0
        done
        printf "batch\\0%s\\n\\0" "$lines"
        for at; do
            printf "%s\\0" "$at"
            if [ -L "$at" ]; then readlink -n -- "$at"; fi
            printf "\\0"
        done' sh
)

# read_tree NAME FOLDER: the entries of a folder, and its attributes. That something went meanwhile is no error: what
# matters of it is missed later.
read_tree() {
    printf '%s\0' "$1"
    { said=$(list "$2" 2>&1 >&3) || only_gone "$said" || blame "$2 can't be read" "$said"; } 3>&1
    printf '\0'
}

if [ "$kind" = folder ]; then
    read_tree live "$tree"
    attributes_of live "$tree"
fi
stage=
if [ "$own" != - ]; then
    stage=$base/$own
    if ! [ -d "$stage" ]; then
        stage=
        for found in "$base/$hidden"*.stage; do
            # The latest is the last.
            ! [ -d "$found" ] || stage=$found
        done
    fi
fi
say stage "$stage"
if [ -n "$stage" ]; then
    # Who is not root may be kept out of what an earlier run finished.
    [ "$(id -u)" = 0 ] || (cd -P -- "$stage" && open_up)
    read_tree staged "$stage"
    attributes_of staged "$stage"
fi
printf 'whole\0'
