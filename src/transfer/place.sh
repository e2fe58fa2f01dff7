# Where a place really is: the path without links, for what is there and what is not.

to=$1

if exists "$to"; then
    real=$(readlink -f -- "$to" && echo .) || stop $EX_FAILED "$to can't be followed"
    real=${real%??}
else
    parent=${to%/*}
    real=$(readlink -f -- "${parent:-/}" && echo .) || stop $EX_STALE "there is no folder ${parent:-/}"
    real=${real%??}
    [ "$real" != / ] || real=
    real=$real/${to##*/}
fi
printf '%s\0' "$real"
mounted=no
! is_mounted "$real" || mounted=yes
printf '%s\0' "$mounted"
