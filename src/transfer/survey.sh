# What stands where a tree shall land, and what the node has to land it with.
#
#   to      where the tree shall be
#   hidden  how the names of folders begin in which earlier runs have staged trees for the same place
#   own     the folder that this run stages it in, without which none is looked into
#
# Writes parts that end with a zero byte. First `name=value` of the node; then, after `live`, the entries of the tree
# that is there, and after `stage`, those of the latest stage; last `whole`. An entry is three parts: its attributes,
# its path, and what a link names.

to=$1 hidden=$2 own=$3

say() {
    printf '%s=%s\0' "$1" "$2"
}

has() {
    command -v "$1" >/dev/null
}

for tool in stat readlink find xargs tar cp mv rm mkdir df sync head cat; do
    has "$tool" || stop $EX_FAILED "the node has no program \`$tool\`, which is needed to copy trees to it"
done
lists=stat
! find / -maxdepth 0 -printf '' 2>/dev/null || lists=find
case $(tar --version 2>&1) in
*'GNU tar'*) archives=gnu ;;
*busybox*) archives=busybox ;;
*) stop $EX_FAILED 'the tar of the node is neither the one of GNU nor that of busybox, and no other is known to keep everything' ;;
esac
hash=
! has sha256sum || hash=sha256
! has b2sum || hash=blake2
[ -n "$hash" ] || stop $EX_FAILED 'the node has neither b2sum nor sha256sum, by one of which copies are verified'
say lists "$lists"
say archives "$archives"
say hash "$hash"
say exchange "$(exchanger)"
say user "$(id -u)"

kind=absent real=$to
if [ -d "$to" ]; then
    kind=folder
    real=$(readlink -f -- "$to" && echo .) || stop $EX_FAILED "$to can't be followed"
    real=${real%??}
elif exists "$to"; then
    kind=other
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
say kind "$kind"
say real "$real"
writable=no
! [ -w "$parent/" ] || writable=yes
say writable "$writable"
mounted=no
if [ "$kind" = folder ] && [ "$(stat -c %d -- "$real")" != "$(stat -c %d -- "$parent/")" ]; then
    mounted=yes
fi
say mounted "$mounted"
[ "$kind" != folder ] || say mounts "$(mounted_in "$real")"
say space "$(df -Pk -- "$parent/" | { read -r _; read -r _ _ _ free _; echo "$free"; })"
say inodes "$(df -Pi -- "$parent/" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; })"

# The entries of a folder.
list() (
    cd -P -- "$1" || exit 1
    if [ "$lists" = find ]; then
        exec find . -printf '%y %m %U %G %T@ %s %n %D:%i %b\0%P\0%l\0'
    fi
    # One `stat` for many, which gives a line each; then their names, which may have lines in them. What `find` can't
    # read is no empty folder: nothing can be where this path leads, so `stat` fails.
    { find . -print0 || printf '/dev/null/unreadable\0'; } | xargs -0 -n256 /bin/sh -c '
        printf "batch\\0"
        stat -c "%F/%a %u %g %Y %s %h %d:%i %b" -- "$@" || exit 255
        printf "\\0"
        for at; do
            printf "%s\\0" "$at"
            if [ -L "$at" ]; then readlink -n -- "$at"; fi
            printf "\\0"
        done' sh
)

if [ "$kind" = folder ]; then
    printf 'live\0'
    { said=$(list "$real" 2>&1 >&3) || blame "$real can't be read" "$said"; } 3>&1
    printf '\0'
fi
stage=
if [ "$own" != - ]; then
    stage=$parent/$own
    if ! [ -d "$stage" ]; then
        stage=
        for found in "$parent/$hidden"*.stage; do
            # The latest is the last.
            ! [ -d "$found" ] || stage=$found
        done
    fi
fi
say stage "$stage"
if [ -n "$stage" ]; then
    printf 'staged\0'
    { said=$(list "$stage" 2>&1 >&3) || blame "$stage can't be read" "$said"; } 3>&1
    printf '\0'
fi
printf 'whole\0'
