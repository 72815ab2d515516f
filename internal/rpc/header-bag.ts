/** Headers by name, as Node gives them. */
type Bag = Record<string, string | string[] | undefined>;

/** Makes objects without a prototype that are as fast as others: a field may have any name, `constructor` included. */
export const HeaderBag = function HeaderBag() {} as unknown as new () => Bag;
HeaderBag.prototype = Object.create(null);
