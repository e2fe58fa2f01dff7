# Trees of which one can't get another name, because a file system is mounted there: what is in the two changes places,
# entry by entry. It stands before the scripts that need it.
#
# What is to be done is written down before the first entry moves: whoever comes after one that was cut short goes on
# from any instant of it.

# The entries of a folder, a line each: a letter, which file it is, and the name, in which a line end becomes the
# character 1.
entries_of() { # LETTER FOLDER
    (
        cd -P -- "$2" || exit 1
        odd=$(printf '\001')
        for name in * .*; do
            case $name in
            . | .. | lost+found | ".${real##*/}.clusterctl-"*) continue ;;
            *"$odd"*) stop $EX_FAILED "$2 has an entry with a control character in its name" ;;
            esac
            # It may go at any time.
            its=$(identity "./$name")
            [ "$its" != gone ] || continue
            printf '%s %s ' "$1" "$its"
            printf '%s' "$name" | tr '\n' '\001'
            echo
        done
    )
}

# Writes down what changes places between the place and a folder in it, and the time that the place had.
note_entries() { # FOLDER TIME
    mkdir -p -- "$kept" || exit $EX_FAILED
    touch -r "$1" -- "$kept/time.new" && touch -r "$2" -- "$kept/time.old" || stop $EX_FAILED "$kept can't be written"
    words="$(stat -c '%a %u:%g' -- "$1") $(stat -c '%a %u:%g' -- "$real")" || exit $EX_FAILED
    {
        printf 'r %s\n' "$words"
        entries_of n "$1" && entries_of o "$real"
    } >"$kept/entries.new" || stop $EX_FAILED "$kept/entries can't be written"
    on_disk "$kept/entries.new"
    mv -f -- "$kept/entries.new" "$kept/entries" && on_disk "$kept"
}

moved() { # FROM TO
    said=$(mv -T -- "$1" "$2" 2>&1) || blame "$1 can't become $2" "$said"
}

# Does what was written down.
exchange_entries() { # FOLDER
    parks=$1.old
    mkdir -p -- "$parks" || stop $EX_FAILED "$parks can't be made"
    while IFS= read -r line <&8; do
        letter=${line%% *} line=${line#* }
        its=${line%% *}
        name=$(printf '%s' "${line#* }" | tr '\001' '\n' && echo .)
        name=${name%?}
        there=$real/$name waits=$1/$name park=$parks/$name
        case $letter in
        n)
            if [ "$(identity "$there")" != "$its" ]; then
                if ! exists "$there" || exists "$park"; then
                    moved "$waits" "$there"
                elif ! exchange "$there" "$waits"; then
                    moved "$there" "$park"
                    moved "$waits" "$there"
                fi
            fi
            ! exists "$park" || moved "$park" "$waits"
            ;;
        o)
            # One of this name that is new there has changed places already.
            if [ "$(identity "$there")" = "$its" ] && ! exists "$waits"; then
                moved "$there" "$waits"
            fi
            ;;
        esac
    done 8<"$kept/entries"
    rmdir -- "$parks" || stop $EX_FAILED "$parks can't be removed"
    read -r _ mode owner old_mode old_owner <"$kept/entries"
    for what in "$real $mode $owner" "$1 $old_mode $old_owner"; do
        owners=${what##* } what=${what% *}
        modes=${what##* } folder=${what% *}
        said=$({ [ "$(id -u)" != 0 ] || chown "$owners" "$folder"; } 2>&1 && chmod "$modes" "$folder" 2>&1) ||
            blame "the folder $folder can't get its attributes" "$said"
    done
    touch -r "$kept/time.new" -- "$real" 2>/dev/null
    touch -r "$kept/time.old" -- "$1" 2>/dev/null
    on_disk "$real/"
    on_disk "$1/"
}

# Makes the staged tree the live one in a place at which a file system is mounted.
swap_inside() {
    if [ -f "$kept/old" ]; then
        forget_the_stage
        return
    fi
    if ! [ -f "$kept/entries" ]; then
        read -r its_digest its_identity its_was 2>/dev/null <"$staged/staged" || stop $EX_STALE "no whole tree is staged for $to"
        [ "$its_digest" = "$digest" ] || stop $EX_STALE "what is staged for $to is another tree"
        [ "$(identity "$stage")" = "$its_identity" ] || stop $EX_STALE "the staged tree $stage is gone"
        ! exists "$other" || stop $EX_TAKEN "there is something at $other already"
        mounted=$(mounted_in "$real" below)
        [ -z "$mounted" ] || stop $EX_TAKEN "something is mounted at $mounted, in a tree that would get another name; unmount it first"
        waits=$stage
        mkdir -p -- "$kept" || exit $EX_FAILED
        carry_again
        ! [ -f "$staged/known" ] || put "$kept/known" "$(cat -- "$staged/known")"
        put "$kept/kept.json" "$aside"
        # From here on the place may contain some of both.
        put "$kept/begun" "$its_was $digest"
        was=$staged/time
        [ -e "$was" ] || was=$real
        note_entries "$stage" "$was"
    fi
    exists "$other" || moved "$stage" "$other"
    exchange_entries "$other"
    put "$kept/old" "$(fingerprint "$other") $(identity "$other")"
    forget_the_stage
}

# What tells of a stage that has become the live tree goes, whenever that was cut short.
forget_the_stage() {
    rm -f -- "$staged/staged" "$staged/kept.json" "$staged/live" "$staged/own" "$staged/known" "$staged/time"
}

# Gives such a place its old tree back.
back_inside() {
    [ ! -f "$kept/old" ] || return 0
    mkdir -p -- "$kept" || exit $EX_FAILED
    if ! [ -f "$kept/entries" ]; then
        read -r its_fingerprint _ its_identity 2>/dev/null <"$of/old" || stop $EX_STALE "what the old tree of $to was is not known any more"
        [ "$(identity "$old")" = "$its_identity" ] || stop $EX_STALE "$old, where the old tree of $to was kept, is gone"
        now=$its_fingerprint
        [ "$judged" = as-it-was ] || now=$(fingerprint "$old")
        [ "${now%% *}" = "$its_fingerprint" ] ||
            stop $EX_STALE "somebody wrote into $old, where the old tree of $to is kept; it was left as it is"
        read -r its_was its_digest <"$of/begun" || stop $EX_STALE "what the old tree of $to was is not known any more"
        [ -z "$known" ] || put "$kept/known" "$known"
        put "$kept/begun" "$its_digest $its_was"
        note_entries "$old" "$real"
    fi
    exchange_entries "$old"
    put "$kept/old" "$(fingerprint "$old") $(identity "$old")"
    put "$kept/kept.json" "$record"
}
