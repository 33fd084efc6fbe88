/** Pool of workers that came by themselves, when the caller does not say. */
export const JOINED_POOL = "joined";
/** Stands for the provider of workers that came by themselves. */
export const JOINED_PROVIDER = "joined";
