/** A value that a person wrote and that means nothing; the message says what would. */
export class InvalidValue extends Error {
  override readonly name = "InvalidValue";
}
