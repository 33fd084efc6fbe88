/**
 * First half of our advisory lock keys, so that ours do not meet each other nor those of other programs in the same
 * database. ASCII of "Hod" and a number.
 */
export const LOCK_CLASS_LEADERSHIP = 0x48_6f_64_01;
export const LOCK_CLASS_PARTITIONS = 0x48_6f_64_03;
export const LOCK_CLASS_LIMIT = 0x48_6f_64_04;
