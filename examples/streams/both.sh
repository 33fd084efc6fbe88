# Writes to both streams in turn. The pauses make the order a fact that a reader can rely on.
for step in 1 2 3; do
  echo "step $step: result"
  sleep 0.2
  echo "step $step: warning" >&2
  sleep 0.2
done
