export {
  LocalProcessProvider,
  type LocalProcessProviderOptions,
} from "./local-process/local-process-provider.ts";
