# An editor that is driven by commands.
printf 'three\none\ntwo\n' >text
vim.tiny -u NONE -es -c '%s/o/0/g' -c 'sort' -c '$put =\"last\"' -c 'wq' text
echo "status $?"
cat text
vim.tiny -u NONE -es -c '%!tr a-z A-Z' -c 'w! upper' -c 'q!' text
cat upper
