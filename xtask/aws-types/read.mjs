// Prints what `@aws-cdk/aws-service-spec` knows of CloudFormation's types as JSON: facts only, no prose.
// Call: node read.mjs FOLDER, where FOLDER/node_modules has the package.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const { loadAwsServiceSpecSync } = createRequire(join(resolve(process.argv[2]), 'read.cjs'))('@aws-cdk/aws-service-spec');
const db = loadAwsServiceSpecSync();

const shape = (type, used) => {
  switch (type.type) {
    case 'ref': {
      used.add(type.reference.$ref);
      return { type: 'ref', id: type.reference.$ref };
    }
    case 'array':
    case 'map':
      return { type: type.type, element: shape(type.element, used) };
    case 'union':
      return { type: 'union', types: type.types.map((one) => shape(one, used)) };
    default:
      return type.allowedValues ? { type: type.type, allowed: type.allowedValues } : { type: type.type };
  }
};

const properties = (all, used) =>
  Object.fromEntries(
    Object.entries(all)
      // The source marks with IGNORE what was taken in by mistake.
      .filter(([, property]) => property.deprecated !== 'IGNORE')
      .map(([name, property]) => [
        name,
        {
          shape: shape(property.type, used),
          required: property.required || undefined,
          replaces: property.causesReplacement === 'no' ? undefined : property.causesReplacement,
          deprecated: property.deprecated === 'WARN' || undefined,
          references: property.relationshipRefs?.map((ref) => [ref.cloudFormationType, ref.propertyName]),
        },
      ]),
  );

const definitions = (used) => {
  const all = {};
  // A set that grows while it is walked is walked to its end.
  for (const id of used) {
    const definition = db.get('typeDefinition', id);
    all[id] = { name: definition.name, properties: properties(definition.properties, used) };
  }
  return all;
};

const regions = new Map();
for (const region of db.all('region')) {
  for (const { entity } of db.follow('regionHasResource', region)) {
    regions.set(entity.$id, [...(regions.get(entity.$id) ?? []), region.name]);
  }
}

const types = db.all('resource').map((resource) => {
  const used = new Set();
  const own = properties(resource.properties, used);
  const attributes = Object.entries(resource.attributes).map(([name, attribute]) => [name, shape(attribute.type, used)]);
  return {
    name: resource.cloudFormationType,
    properties: own,
    attributes: Object.fromEntries(attributes),
    definitions: definitions(used),
    identifier: resource.primaryIdentifier,
    ref: resource.cfnRefIdentifier,
    arn: resource.arnTemplate,
    tags: resource.tagInformation && [resource.tagInformation.tagPropertyName, resource.tagInformation.variant],
    transform: resource.cloudFormationTransform,
    stateful: resource.isStateful,
    also_replace: resource.additionalReplacementProperties,
    regions: regions.get(resource.$id),
  };
});
process.stdout.write(JSON.stringify(types));
