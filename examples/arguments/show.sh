# Prints each argument between brackets, so that nothing can hide.
echo "$# arguments"
for argument in "$@"; do printf '[%s]\n' "$argument"; done
