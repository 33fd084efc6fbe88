# Checks and compiles a TypeScript program, then runs what came out. TMPDIR is private to the attempt and goes with it.
../../node_modules/.bin/tsc --outDir "$TMPDIR"
echo "built"
node "$TMPDIR/word-count.mjs" ../stdin/fruit.txt
