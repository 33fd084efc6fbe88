# Compiles a program and runs it. TMPDIR is private to the attempt and goes with it.
cc -std=c11 -O2 -Wall -Wextra -Werror -o "$TMPDIR/collatz" collatz.c
echo "built"
"$TMPDIR/collatz" 27
