# Every value that a byte can have, in order: no line ends, no text, nothing that may be re-encoded.
for byte in {0..255}; do printf "\\x$(printf %02x "$byte")"; done
