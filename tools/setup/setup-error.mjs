/** Set-up cannot go on; the message says what the reader can do about it. */
export class SetupError extends Error {}
