// What is said, who is here, how they feel.
import { randomBytes } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, GetCommand, PutCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";

const dynamodb = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const { MEMBERS, MESSAGES, MOODS, MESSAGE_DAYS, PRESENCE_S } = process.env;
const TEXT_CHARACTERS_MAX = 500;
const PAGE = 50;

const routes = {
  "POST /rooms/{room}/messages": say,
  "GET /rooms/{room}/messages": hear,
  "PUT /rooms/{room}/members/{name}": enter,
  "GET /rooms/{room}": look,
};

export const handler = async (event) => {
  const { status = 200, ...body } = await routes[event.routeKey](event);
  return { statusCode: status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
};

async function say(event) {
  const { author, text } = document(event);
  if (typeof author !== "string" || typeof text !== "string" || !text || text.length > TEXT_CHARACTERS_MAX) {
    return { status: 400, error: `author and text are required, a text of up to ${TEXT_CHARACTERS_MAX} characters` };
  }
  const now = Date.now();
  // Ordered by time; two of one millisecond by chance.
  const sent = `${new Date(now).toISOString()}-${randomBytes(4).toString("hex")}`;
  const item = { room: event.pathParameters.room, sent, author, text, expires_at: Math.floor(now / 1000) + MESSAGE_DAYS * 86400 };
  await dynamodb.send(new PutCommand({ TableName: MESSAGES, Item: item, ConditionExpression: "attribute_not_exists(sent)" }));
  return { status: 201, sent };
}

async function hear(event) {
  const after = event.queryStringParameters?.after || " "; // a key is never empty
  const found = await dynamodb.send(new QueryCommand({
    TableName: MESSAGES, Limit: PAGE, ConsistentRead: true,
    KeyConditionExpression: "room = :room AND sent > :after",
    ExpressionAttributeValues: { ":room": event.pathParameters.room, ":after": after },
  }));
  return { messages: found.Items.map(({ sent, author, text, mood }) => ({ sent, author, text, mood })) };
}

async function enter(event) {
  const { room, name } = event.pathParameters;
  const expires_at = Math.floor(Date.now() / 1000) + Number(PRESENCE_S);
  await dynamodb.send(new PutCommand({ TableName: MEMBERS, Item: { room, name, expires_at } }));
  return { room, name };
}

async function look(event) {
  const { room } = event.pathParameters;
  const [members, mood] = await Promise.all([
    dynamodb.send(new QueryCommand({
      TableName: MEMBERS, KeyConditionExpression: "room = :room", ExpressionAttributeValues: { ":room": room },
    })),
    dynamodb.send(new GetCommand({ TableName: MOODS, Key: { room }, ConsistentRead: true })),
  ]);
  const { positive = 0, negative = 0, neutral = 0 } = mood.Item ?? {};
  return { room, members: members.Items.map(({ name }) => name), positive, negative, neutral };
}

function document(event) {
  try {
    return JSON.parse(event.isBase64Encoded ? Buffer.from(event.body, "base64") : event.body) ?? {};
  } catch {
    return {};
  }
}
