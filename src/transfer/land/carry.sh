# Copies files of the live tree into the stage, sharing their blocks where the file system can.
#
#   live   the tree, and
#   stage  the stage
#   how    `copy`, or `link` to give the files themselves another name there
#
# Standard input names the files.

live=$1 stage=$2 how=$3

cd -P -- "$live" || stop $EX_STALE "$live is gone"
alone "$stage"
options=
case $how/$(cp --help 2>&1) in
link/*) options=-l ;;
*--no-preserve*) options='--no-preserve=links --reflink=auto' ;;
esac
closed=
[ "$(id -u)" = 0 ] || closed=$(find . -type d ! -perm -700 2>/dev/null | head -n 1)
if [ -n "$closed" ]; then
    # With --parents a folder gets its mode as soon as it has the first of its files, and who is not root is kept out
    # from then on. So the files of each folder go there together, and all folders get their modes last.
    heard xargs -0 -n256 /bin/sh -c '
        to=$1 options=$2
        shift 2
        while [ $# -gt 0 ]; do
            folder=${1%/*} many=0 words=
            for at; do
                [ "${at%/*}" = "$folder" ] || break
                many=$((many + 1))
                words="$words \"\${$many}\""
            done
            mkdir -p -- "$to/$folder" || exit 255
            eval "cp -a $options -- $words \"\$to/\$folder/\"" || failed=1
            shift $many
        done
        [ -z "${failed-}" ]' sh "$stage" "$options"
elif [ "$how" = copy ] && [ -n "$options" ]; then
    heard xargs -0 cp -a $options --parents -t "$stage" --
else
    heard xargs -0 -n256 /bin/sh -c 'to=$1 options=$2; shift 2; exec cp -a $options --parents -- "$@" "$to"' \
        sh "$stage" "$options"
fi || only_gone "$said" || blame "files of $live can't be copied to $stage" "$said"
cd -P -- "$stage" || exit $EX_FAILED
without_lists
