import { defineConfig } from 'prisma/config';

// Prisma's command line asks for its native schema engine, a download, before every command, though `generate` never
// runs it. Any existing file satisfies the check; migrations use the WebAssembly engine (see migrate.ts).
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({ schema: 'schema.prisma' });
