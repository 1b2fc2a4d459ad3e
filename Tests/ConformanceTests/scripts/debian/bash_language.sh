# Bash itself: arithmetic, arrays, functions, traps, here documents, process substitution.
set -u
declare -A map=([one]=1 [two]=2 [three]=3)
for key in $(printf '%s\n' "${!map[@]}" | sort); do echo "$key=${map[$key]}"; done
list=(a b "c d"); echo "${#list[@]} ${list[2]} ${list[@]:1:1}"
factorial() { if (($1 < 2)); then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi; }
factorial 10
text="The quick brown fox"; echo "${text^^} ${text//quick/slow} ${text:4:5} ${#text}"
[[ $text =~ q(.*)k ]] && echo "${BASH_REMATCH[1]}"
cat << END
here: $((1 << 20)) $(echo nested $(echo deeper))
END
diff <(printf '1\n2\n3\n') <(printf '1\nx\n3\n')
echo "diff said $?"
trap 'echo "trapped USR1"' USR1; kill -USR1 $$; trap 'echo leaving' EXIT
(exit 7); echo "subshell $?"
sleep 0.05 & wait $!; echo "waited $?"
for i in {1..5}; do echo $i; done | while read -r n; do printf '%d ' $((n * n)); done; echo
printf '%s|%5d|%-5s|%x\n' text 42 left 255
exec 3>&1; echo "to three" >&3; exec 3>&-
select_none=$(true); echo "empty: '${select_none:-default}'"
false | true; echo "pipe ${PIPESTATUS[0]} ${PIPESTATUS[1]}"
coproc cat; echo through >&"${COPROC[1]}"; read -r back <&"${COPROC[0]}"; echo "$back"
eval "exec ${COPROC[1]}>&-"; wait
printf 'a\0b\0' | xargs -0 -n1 echo item
ulimit -n >/dev/null && echo limits
exit 3
