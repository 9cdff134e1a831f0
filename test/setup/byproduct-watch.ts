import { watchFetch } from './byproduct.ts';

watchFetch();
