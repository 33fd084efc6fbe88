/** Does something before or after `call`, or instead of it. */
export type Around = <Result>(call: () => Promise<Result>) => Promise<Result>;

/** `target`, a port whose methods all return promises, with `around` about each of its calls. */
export function aroundCalls<Port extends object>(target: Port, around: Around): Port {
  return new Proxy(target, {
    get(object, key) {
      const member: unknown = Reflect.get(object, key);
      if (typeof member !== "function") return member;
      return (...parameters: unknown[]) => around(() => member.apply(object, parameters));
    },
  });
}
