# No #! line: bash runs it, and stops at the first command that fails.
echo "Hello, ${1:-world}!"
