FROM node:20-slim AS build
WORKDIR /tandem
# The install generates code, so what it generates from comes first.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY schema schema
COPY prisma prisma
COPY src src
COPY jobs jobs
RUN npm run generate && npm run build

FROM node:20-slim AS packages
WORKDIR /tandem
COPY package.json package-lock.json ./
# The optional packages are the embedded PostgreSQL and faster forms of what is there anyway.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:20-slim
WORKDIR /tandem
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data
# A volume that is mounted here for the first time takes its owner over.
RUN install -d -o node -g node -m 700 /data
COPY --from=packages /tandem/node_modules node_modules
COPY --from=build /tandem/dist dist
COPY package.json LICENSE ./
USER node
EXPOSE 4000
# `api` answers requests and migrates at its start, `worker` does the jobs.
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["api"]
