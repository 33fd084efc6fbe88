# A job gets a clean environment: what it is given, and what every program needs.
echo "GREETING=$GREETING"
echo "TARGET=$TARGET"
echo "LEAKED=${LEAKED-is not set}"
