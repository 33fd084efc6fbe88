#include <stdio.h>
#include <stdlib.h>

/* Follows the Collatz sequence from a number to 1. */
int main(int argc, char **argv) {
  unsigned long long n = argc > 1 ? strtoull(argv[1], NULL, 10) : 27, highest = n;
  int steps = 0;
  for (; n > 1; steps++) {
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    if (n > highest) highest = n;
  }
  printf("%d steps, highest %llu\n", steps, highest);
  return 0;
}
