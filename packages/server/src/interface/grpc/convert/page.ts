import type { PageRequest } from "@hodei/domain";

/** Items of a page when the caller does not say. */
const DEFAULT_PAGE_COUNT = 100;

/** Zero means that the caller did not say. */
export function fromProtoPageSize(pageSize: number): number {
  return pageSize || DEFAULT_PAGE_COUNT;
}

/** An empty token means the first page. */
export function fromProtoPage(request: {
  readonly pageSize: number;
  readonly pageToken: string;
}): PageRequest {
  return { limit: fromProtoPageSize(request.pageSize), token: request.pageToken || null };
}
