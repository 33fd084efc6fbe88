import { randomBytes, randomUUID } from "node:crypto";
import type { Ids, LeaseToken } from "@hodei/domain";

/** UUIDs of version 7: 48 bits of Unix milliseconds, then 74 random bits. Source: RFC 9562, section 5.7. */
export const timeOrderedIds: Ids = {
  next() {
    const bytes = randomBytes(16);
    bytes.writeUIntBE(Date.now(), 0, 6);
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
    const hex = bytes.toString("hex");
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      hex.slice(12, 16),
      hex.slice(16, 20),
      hex.slice(20),
    ].join("-");
  },
};

/** 122 random bits. */
export const randomLeaseToken = (): LeaseToken => randomUUID() as LeaseToken;
