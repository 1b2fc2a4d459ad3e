# A repository's life: commits, branches, a merge, clones by path and by a server of its own, gc, fsck.
set -e
git config --global user.name Tester
git config --global user.email tester@example.org
git config --global init.defaultBranch main
export GIT_AUTHOR_DATE="2024-01-02T03:04:05 +0000" GIT_COMMITTER_DATE="2024-01-02T03:04:05 +0000"

git init -q origin
cd origin
for number in $(seq 60); do
    mkdir -p "dir$((number % 7))"
    seq "$number" "$((number * 50))" >"dir$((number % 7))/file$number"
    git add .
    git commit -q -m "Commit $number"
done
git checkout -q -b topic HEAD~10
echo topic >topic; git add topic; git commit -q -m "On a branch"
git checkout -q main
git merge -q --no-edit topic
git tag -a v1 -m "A tag"
git rev-parse HEAD
git log --oneline | wc -l
git log --stat --reverse --format=%s -3 --topo-order | tail -5
git gc -q --aggressive --prune=now
git fsck --full --strict 2>&1 | grep -v '^Checking' || true
git count-objects -v | grep -E 'count|packs|garbage'
cd ..

git clone -q --no-local origin clone
git clone -q --mirror origin mirror.git
cd clone
echo changed >>dir1/file1
git commit -q -a -m "In the clone"
git push -q origin HEAD:refs/heads/pushed
git stash list | wc -l
git rebase -q HEAD~1
git bisect start HEAD HEAD~8 >/dev/null 2>&1
git bisect run sh -c 'test ! -e topic' 2>&1 | grep 'first bad'
git bisect reset 2>/dev/null
git archive --format=tar HEAD | tar tf - | wc -l
git grep -c 33 -- dir3 | sort | head -3
git worktree add -q ../tree HEAD~3
git diff --shortstat HEAD~3
cd ..
git -C origin log -1 --format=%s pushed
git -C mirror.git remote update 2>/dev/null >/dev/null
git -C mirror.git branch --list | sort

git daemon --reuseaddr --listen=127.0.0.1 --port=19418 --base-path="$PWD" --export-all --pid-file=daemon.pid --detach
for try in $(seq 100); do git ls-remote git://127.0.0.1:19418/origin >refs 2>/dev/null && break; sleep 0.1; done
wc -l <refs
git clone -q git://127.0.0.1:19418/origin far
git -C far rev-parse HEAD
kill "$(cat daemon.pid)"
