/** What `@peculiar/x509` asks of a decorator library when it is loaded, and never needs: the server does the same. */
const reflect: object & { getMetadata?: unknown; getOwnMetadata?: unknown } = Reflect;
reflect.getMetadata ??= () => undefined;
reflect.getOwnMetadata ??= () => undefined;
