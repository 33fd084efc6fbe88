export {
  type ProviderFixture,
  providerContract,
  provisionRequest,
} from "./contracts/provider-contract.ts";
export { waitFor } from "./wait-for.ts";
