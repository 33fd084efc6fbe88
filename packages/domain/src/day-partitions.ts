/**
 * Records that go by the day: those of one day (UTC) are kept apart from those of others, so that removing them costs
 * nothing however many they are. A write never fails for want of its day, which is made for it then.
 */
export interface DayPartitions {
  /** What is kept, for people. */
  readonly name: string;
  /** Makes the days from `from` to `to` ready; returns those that were missing. Repeats are safe. */
  create(from: Date, to: Date): Promise<readonly Date[]>;
  /**
   * Removes the days that ended at `before` or earlier and that nobody needs any more; returns them. Holds up no reader
   * and no writer. Repeats are safe, and go on where one was cut short.
   */
  drop(before: Date): Promise<readonly Date[]>;
}
