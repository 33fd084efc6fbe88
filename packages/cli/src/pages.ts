/** Largest page of the contract. */
const PAGE_MAX = 1000;

/** Up to `limit` items of a list that comes in pages, and whether there are more. */
export async function readPages<Item>(
  limit: number,
  readPage: (
    pageSize: number,
    pageToken: string,
  ) => Promise<{ items: Item[]; nextPageToken: string }>,
): Promise<{ readonly items: Item[]; readonly hasMore: boolean }> {
  const items: Item[] = [];
  let pageToken = "";
  do {
    const page = await readPage(Math.min(PAGE_MAX, limit - items.length), pageToken);
    items.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && items.length < limit);
  return { items, hasMore: pageToken !== "" };
}
