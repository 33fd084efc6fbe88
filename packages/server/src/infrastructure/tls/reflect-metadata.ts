/**
 * Lets `@peculiar/x509` load. It wires its parts with tsyringe, which insists on the metadata functions of a language
 * proposal that was given up. None of those parts carries metadata, so "none" is the true answer to every question.
 */
const reflect: object & { getMetadata?: unknown; getOwnMetadata?: unknown } = Reflect;
reflect.getMetadata ??= () => undefined;
reflect.getOwnMetadata ??= () => undefined;
