# Gives what was sent its places in the live tree, one by one, and takes away what goes. Done again it goes on.
#
#   to       the place
#   stage    where what was sent stands, on the same file system
#   kept     the folder of the step's record
#   was      the fingerprint of what the place contains, or `absent`
#   becomes  the fingerprint of what it will contain
#   how      `gnu` or `busybox`: which tar there is
#
# Standard input is the orders, five words each: a letter, a path in the tree, and what belongs to it.
#
#   R path                   the staged thing gets this place, where there is nothing or no folder
#   X path                   the same where a folder is, or where it is a folder and something else is there
#   L path first             another name for a file of the tree
#   A path mode owner time   attributes
#   W path                   opens a folder for its owner; P path mode closes it again
#   N path                   removes what a copy that was cut short left beside its place on another file system
#   D path                   removes a file; F path a folder, if nothing is in it

to=$1 stage=$2 kept=$3 was=$4 becomes=$5 how=$6

folders_get_their_attributes() {
    if [ "$how" = gnu ]; then
        tar --extract --file="$kept/folders" --directory="$real" --preserve-permissions --delay-directory-restore \
            --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp
    else
        tar -x -p -f "$kept/folders" -C "$real"
    fi
}

real_of "$to"
[ -d "$stage" ] && ! [ -L "$stage" ] || stop $EX_STALE "$stage is gone: push again"
alone "$stage"
mkdir -p -- "$kept" || exit $EX_FAILED
# From here on the place may contain some of both.
[ -f "$kept/begun" ] || put "$kept/begun" "$was $becomes"
all_on_disk "$stage"
name_back
if ! exists "$real"; then
    said=$(mv -T -- "$stage" "$real" 2>&1) || blame "$stage can't become $to" "$said"
    on_disk "${real%/*}/"
else
    [ -d "$real" ] || stop $EX_TAKEN "$to is not a folder"
    cd -P -- "$real" || stop $EX_FAILED "$to can't be entered"
    obey "$stage"
    if [ -f "$kept/folders" ]; then
        said=$(folders_get_their_attributes 2>&1) || blame "folders in $to can't get their attributes" "$said"
    fi
    if [ -n "$(mounted_in "$real" below)" ]; then
        sync
    else
        all_on_disk "$real"
    fi
    # Where the stage is in the place, its going changes the time of that.
    touch -r "$real" -- "$kept/time" 2>/dev/null
fi
# A folder that went may have taken along what is mounted in it: that is nothing to be removed.
mounted=$(mounted_in "$stage")
[ -z "$mounted" ] || stop $EX_TAKEN "something is mounted at $mounted, where it went with a folder that the tree has no more: unmount it, and resume"
rm -rf -- "$stage" 2>/dev/null || {
    find "$stage" -type d ! -perm -700 -exec chmod u+rwx '{}' + 2>/dev/null
    rm -rf -- "$stage"
}
[ ! -e "$kept/time" ] || [ "$(identity "${stage%/*}")" != "$(identity "$real")" ] || touch -r "$kept/time" -- "$real" 2>/dev/null
! exists "$stage" || stop $EX_FAILED "$stage, of which nothing is needed any more, can't be removed"
rm -f -- "$kept/kept.json" "$kept/time" "$kept/folders" "$kept/closed"
