-- CreateTable
CREATE TABLE "client_application" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "organisation_id" UUID,
    "role" TEXT,
    "jwks" JSONB,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "documents_only" BOOLEAN NOT NULL DEFAULT false,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "client_application_pkey" PRIMARY KEY ("id"),
    -- Who signs in for itself has both, who does not has neither.
    CONSTRAINT "client_application_self" CHECK (("role" IS NULL) = ("jwks" IS NULL))
);

-- CreateTable
CREATE TABLE "client_assertion" (
    "client_id" TEXT NOT NULL,
    "jti" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "client_assertion_pkey" PRIMARY KEY ("client_id","jti")
);

-- CreateTable
CREATE TABLE "signing_key" (
    "purpose" TEXT NOT NULL,
    "jwk" JSONB NOT NULL,
    "recorded_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "signing_key_pkey" PRIMARY KEY ("purpose")
);

-- CreateIndex
CREATE INDEX "client_assertion_expires_at_idx" ON "client_assertion"("expires_at");

-- AddForeignKey
ALTER TABLE "client_application" ADD CONSTRAINT "client_application_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisation"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "client_assertion" ADD CONSTRAINT "client_assertion_client_id_fkey" FOREIGN KEY ("client_id") REFERENCES "client_application"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
