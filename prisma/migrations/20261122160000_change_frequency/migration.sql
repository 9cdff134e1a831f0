-- AlterTable
ALTER TABLE "package_change" ADD COLUMN     "frequency" "cost_frequency";
