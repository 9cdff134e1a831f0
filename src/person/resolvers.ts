export const personResolvers = {};
