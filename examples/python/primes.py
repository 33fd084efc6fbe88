#!/usr/bin/env python3
"""The script's own first line says what runs it."""

import sys

limit = int(sys.argv[1])
primes = [n for n in range(2, limit) if all(n % p for p in range(2, n))]
print(f"{len(primes)} primes below {limit}:", *primes)
