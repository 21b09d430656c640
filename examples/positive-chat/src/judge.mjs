// Feels each message once: its mood and its room's count change together, and a message that has a mood is left alone, however often the stream brings it.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";

const dynamodb = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const { MESSAGES, MOODS } = process.env;

// A few words of three languages. Whoever wants to know it better asks a service for sentiment here.
const POSITIVE = new Set("good great love lovely thanks thank happy nice bravo gut toll danke schön bien merci super".split(" "));
const NEGATIVE = new Set("bad awful hate sad angry terrible schlecht traurig mauvais triste".split(" "));

export const moodOf = (text) => {
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const score = words.reduce((sum, word) => sum + POSITIVE.has(word) - NEGATIVE.has(word), 0);
  return score > 0 ? "positive" : score < 0 ? "negative" : "neutral";
};

export const handler = async (event) => {
  for (const record of event.Records) {
    const { room, sent, text } = record.dynamodb.NewImage;
    try {
      await feel(room.S, sent.S, moodOf(text.S));
    } catch (error) {
      console.error(error);
      return { batchItemFailures: [{ itemIdentifier: record.dynamodb.SequenceNumber }] };
    }
  }
  return { batchItemFailures: [] };
};

async function feel(room, sent, mood) {
  try {
    await dynamodb.send(new TransactWriteCommand({ TransactItems: [
      { Update: {
        TableName: MESSAGES, Key: { room, sent }, UpdateExpression: "SET mood = :mood",
        ConditionExpression: "attribute_exists(sent) AND attribute_not_exists(mood)", ExpressionAttributeValues: { ":mood": mood },
      } },
      { Update: {
        TableName: MOODS, Key: { room }, UpdateExpression: "ADD #mood :one",
        ExpressionAttributeNames: { "#mood": mood }, ExpressionAttributeValues: { ":one": 1 },
      } },
    ] }));
  } catch (error) {
    if (error.name !== "TransactionCanceledException" || error.CancellationReasons[0].Code !== "ConditionalCheckFailed") throw error;
  }
}
